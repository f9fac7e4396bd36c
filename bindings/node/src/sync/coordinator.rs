use std::sync::{Arc, OnceLock};

use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, PromiseRaw};
use napi_derive::napi;
use vectr_delta::{NodeName, ShardId, Timestamp};
use vectr_sync::{
    Assignment, CoordinatorStatistics, Peer, PeerStatus, Scheduler, ShardCoordinator, Topology,
};

use crate::cancellation::NativeCancellation;
use crate::columns::number;
use crate::failure::Failure;
use crate::sync::exchange::NativeExchange;
use crate::sync::native_sync::NativeSync;
use crate::sync::options::interval;
use crate::sync::session::ShardStateRecord;
use crate::work::Work;

/// What to sync with whom. All calls on one coordinator name the same engine.
#[napi]
pub struct NativeCoordinator {
    agenda: Scheduler,
    coordinator: Arc<OnceLock<ShardCoordinator>>,
}

/// A node to sync with.
#[napi(object, object_from_js = false)]
pub struct PeerRecord {
    /// What it is called.
    pub node_id: String,
    /// Where it listens.
    pub address: String,
    /// What to sync with it.
    pub shards: Vec<String>,
    /// Microseconds since the Unix epoch.
    pub last_contact: Option<i64>,
    /// Whether it was there.
    #[napi(ts_type = "'online' | 'offline' | 'unknown'")]
    pub status: &'static str,
}

/// What a coordinator did.
#[napi(object, object_from_js = false)]
pub struct CoordinatorStatisticsRecord {
    /// Of the registered peers.
    pub total_shards: i64,
    /// Sessions that run.
    pub active_syncs: i64,
    /// Syncs that ended.
    pub total_syncs: i64,
    /// Conflicts detected.
    pub total_conflicts: i64,
    /// Milliseconds.
    pub avg_sync_duration_ms: f64,
    /// Bytes of frames.
    pub bytes_sent: i64,
    /// Bytes of frames.
    pub bytes_received: i64,
}

#[napi]
impl NativeCoordinator {
    /// One that lets so many sessions run at once.
    #[napi(constructor)]
    pub fn new(max_concurrent: u32) -> napi::Result<Self> {
        let agenda = Scheduler::new(max_concurrent as usize).map_err(Failure::from)?;
        Ok(Self { agenda, coordinator: Arc::default() })
    }

    /// Adds peers, each in place of one of the same node. For each: the places of its name and address in `names`, its
    /// status (0 unknown, 1 online, 2 offline), the last contact or -1, and how many shards follow by their places.
    #[napi]
    pub fn register_peers(&self, names: Vec<String>, peers: Float64ArraySlice<'_>) -> napi::Result<()> {
        let (mut names, mut numbers) = (Names::new(names), peers.iter().copied());
        while let Some(node) = numbers.next() {
            let mut number = || numbers.next().unwrap_or_default();
            let (address, status, contact, count) = (number(), number(), number(), number());
            self.agenda.register_peer(Peer {
                node: NodeName::new(names.text(node)).map_err(Failure::from)?,
                address: names.text(address).to_owned(),
                status: STATUSES[status as usize],
                last_contact: (contact >= 0.0).then(|| Timestamp::from_micros(contact as u64)),
                shards: (0..count as usize).map(|_| names.shard(number())).collect::<Result<_, _>>()?,
            });
        }
        Ok(())
    }

    /// Forgets a peer; false where there is none.
    #[napi]
    pub fn unregister_peer(&self, node_id: String) -> napi::Result<bool> {
        Ok(self.agenda.unregister_peer(&NodeName::new(&node_id).map_err(Failure::from)?))
    }

    /// The registered peers.
    #[napi]
    #[must_use]
    pub fn peers(&self) -> Vec<PeerRecord> {
        self.agenda.peers().into_iter().map(Into::into).collect()
    }

    /// The registered peers with which a node syncs under the topology.
    #[napi]
    pub fn neighbours(&self, node_id: String) -> napi::Result<Vec<PeerRecord>> {
        let node = NodeName::new(&node_id).map_err(Failure::from)?;
        Ok(self.agenda.neighbours(&node).into_iter().map(Into::into).collect())
    }

    /// Adds tasks. For each: the places of its shard and address in `names`, and its priority.
    #[napi]
    pub fn schedule(&self, names: Vec<String>, tasks: Float64ArraySlice<'_>) -> napi::Result<()> {
        let mut names = Names::new(names);
        for task in tasks.chunks_exact(3) {
            let shard = names.shard(task[0])?;
            self.agenda.schedule(shard, names.text(task[1]), task[2]);
        }
        Ok(())
    }

    /// Tasks that have not begun.
    #[napi(getter)]
    #[must_use]
    pub fn pending_tasks(&self) -> u32 {
        self.agenda.pending_tasks() as u32
    }

    /// Sessions that run.
    #[napi(getter)]
    #[must_use]
    pub fn active_syncs(&self) -> u32 {
        self.agenda.active_syncs() as u32
    }

    /// Forgets the tasks that have not begun.
    #[napi]
    pub fn clear_pending_tasks(&self) {
        self.agenda.clear_pending_tasks();
    }

    /// Chooses the neighbours.
    #[napi]
    pub fn set_topology(&self, #[napi(ts_arg_type = "'mesh' | 'star' | 'ring' | 'tree'")] name: String) {
        self.agenda.set_topology(Topology::named(&name).unwrap_or_default());
    }

    /// What was done so far.
    #[napi]
    #[must_use]
    pub fn statistics(&self) -> CoordinatorStatisticsRecord {
        self.agenda.statistics().into()
    }

    /// Runs what is scheduled; with `what` other than that, the syncs with all neighbours, of a shard, or with the peer
    /// at an address.
    #[napi]
    pub fn run<'env>(
        &self,
        env: &'env Env,
        sync: &NativeSync,
        #[napi(ts_arg_type = "'scheduled' | 'all' | 'shard' | 'peer'")] what: String,
        name: Option<String>,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<PromiseRaw<'env, NativeExchange>> {
        let (coordinator, owned) = (self.over(sync), sync.owned());
        let abort = cancellation.map(NativeCancellation::token).unwrap_or_default();
        env.spawn_future(async move {
            let name = name.unwrap_or_default();
            let assignment = match what.as_str() {
                "all" => Assignment::All,
                "shard" => Assignment::Shard(ShardId::new(&name).map_err(Failure::from)?),
                "peer" => Assignment::Peer(name),
                _ => Assignment::Scheduled,
            };
            let exchange = coordinator.exchange(&assignment, abort).await.map_err(Failure::from)?;
            Ok(NativeExchange::new(exchange, owned))
        })
    }

    /// Which peers answer.
    #[napi(ts_return_type = "Promise<Array<[string, boolean]>>")]
    pub fn health_check<'env>(
        &self,
        env: &'env Env,
        sync: &NativeSync,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<PromiseRaw<'env, Vec<(String, bool)>>> {
        let (coordinator, owned) = (self.over(sync), sync.owned());
        let abort = cancellation.map(NativeCancellation::token).unwrap_or_default();
        env.spawn_future(async move {
            let health = coordinator.health_check(abort).await.map_err(Failure::from)?;
            // Held until here: an engine that JavaScript forgets meanwhile stays open.
            drop(owned);
            Ok(health.into_iter().map(|(node, alive)| (node.into(), alive)).collect())
        })
    }

    /// The state of all shards.
    #[napi]
    pub fn shard_states<'env>(
        &self,
        env: &'env Env,
        sync: &NativeSync,
    ) -> napi::Result<PromiseRaw<'env, Vec<ShardStateRecord>>> {
        let coordinator = self.over(sync);
        Work::at_once(env, move || Ok(coordinator.shard_states()?.into_iter().map(Into::into).collect()))
    }

    /// Keeps each neighbour's shards in step with it.
    #[napi]
    pub fn start_auto_sync_all(&self, sync: &NativeSync, interval_ms: f64) -> napi::Result<()> {
        let owned = sync.owned();
        let _runtime = owned.runtime.enter();
        Ok(self.over(sync).start_auto_sync_all(interval(Some(interval_ms))).map_err(Failure::from)?)
    }

    /// Ends what that began.
    #[napi]
    pub fn stop_auto_sync_all(&self) {
        if let Some(coordinator) = self.coordinator.get() {
            coordinator.stop_auto_sync_all();
        }
    }

    /// Ends all that runs.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let coordinator = Arc::clone(&self.coordinator);
        env.spawn_future(async move {
            if let Some(coordinator) = coordinator.get() {
                coordinator.close().await;
            }
            Ok(())
        })
    }

    fn over(&self, sync: &NativeSync) -> ShardCoordinator {
        let made = || ShardCoordinator::new(sync.engine().clone(), self.agenda.clone());
        self.coordinator.get_or_init(made).clone()
    }
}

/// The names of one call; those of shards are made once.
struct Names {
    texts: Vec<String>,
    shards: Vec<Option<ShardId>>,
}

impl Names {
    fn new(texts: Vec<String>) -> Self {
        Self { shards: vec![None; texts.len()], texts }
    }

    fn text(&self, place: f64) -> &str {
        &self.texts[place as usize]
    }

    fn shard(&mut self, place: f64) -> Result<ShardId, Failure> {
        let known = &mut self.shards[place as usize];
        if let Some(shard) = known {
            return Ok(shard.clone());
        }
        Ok(known.insert(ShardId::new(&self.texts[place as usize])?).clone())
    }
}

impl From<Peer> for PeerRecord {
    fn from(peer: Peer) -> Self {
        Self {
            node_id: peer.node.into(),
            address: peer.address,
            shards: peer.shards.into_iter().map(Into::into).collect(),
            last_contact: peer.last_contact.map(|at| number(at.as_micros())),
            status: peer.status.name(),
        }
    }
}

impl From<CoordinatorStatistics> for CoordinatorStatisticsRecord {
    fn from(statistics: CoordinatorStatistics) -> Self {
        Self {
            total_shards: number(statistics.shards as u64),
            active_syncs: number(statistics.active_syncs as u64),
            total_syncs: number(statistics.syncs),
            total_conflicts: number(statistics.conflicts),
            avg_sync_duration_ms: statistics.average_duration.as_secs_f64() * 1000.0,
            bytes_sent: number(statistics.bytes_sent),
            bytes_received: number(statistics.bytes_received),
        }
    }
}

/// As `bindings/js` numbers them.
const STATUSES: [PeerStatus; 3] = [PeerStatus::Unknown, PeerStatus::Online, PeerStatus::Offline];
